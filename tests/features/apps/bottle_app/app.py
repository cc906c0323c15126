import hashlib

import bottle

app = bottle.Bottle()


@app.get("/")
def hello():
    return "hello from bottle"


@app.post("/form")
def form():
    return "name=" + bottle.request.forms.getunicode("name")


@app.post("/upload")
def upload():
    file = bottle.request.files.get("file")
    data = file.file.read()
    return f"{file.raw_filename} {len(data)} {hashlib.sha256(data).hexdigest()}"


@app.get("/stream")
def stream():
    bottle.response.content_type = "text/plain"
    for number in range(1000):
        yield f"line {number}\n"


@app.get("/error")
def error():
    raise RuntimeError("on purpose")
