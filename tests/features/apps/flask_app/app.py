import hashlib

from flask import Flask, Response, request

app = Flask(__name__)


@app.get("/")
def hello():
    return "hello from flask"


@app.post("/form")
def form():
    return "name=" + request.form["name"]


@app.post("/upload")
def upload():
    file = request.files["file"]
    data = file.read()
    return f"{file.filename} {len(data)} {hashlib.sha256(data).hexdigest()}"


@app.get("/stream")
def stream():
    return Response((f"line {number}\n" for number in range(1000)), mimetype="text/plain")


@app.get("/error")
def error():
    raise RuntimeError("on purpose")
