"""A path parameter, a query parameter, a model: what a small FastAPI service does for each request."""

from fastapi import FastAPI
from pydantic import BaseModel

application = FastAPI()


class Item(BaseModel):
    number: int
    name: str
    price: float
    tags: list[str]


@application.get("/items/{number}")
async def item(number: int, currency: str = "EUR") -> Item:
    return Item(number=number, name=f"item {number} in {currency}", price=12.5, tags=["red", "large", "on sale"])
