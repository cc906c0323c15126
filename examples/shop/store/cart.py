"""The cart lives in the session: product number -> quantity."""

from .models import Product

MOST = 99


def quantities(request):
    return request.session.setdefault("cart", {})


def put(request, product, quantity):
    """Sets how many of `product` are in the cart; 0 takes it out."""
    cart = quantities(request)
    if quantity > 0:
        cart[str(product.pk)] = min(quantity, MOST)
    else:
        cart.pop(str(product.pk), None)
    request.session.modified = True


def add(request, product, quantity):
    put(request, product, quantities(request).get(str(product.pk), 0) + quantity)


def lines(request):
    cart = request.session.get("cart", {})
    products = Product.objects.in_bulk([int(number) for number in cart])
    return [
        {"product": products[int(number)], "quantity": quantity, "total": quantity * products[int(number)].price}
        for number, quantity in cart.items()
        if int(number) in products
    ]


def empty(request):
    request.session["cart"] = {}


def in_templates(request):
    return {"cart_count": sum(request.session.get("cart", {}).values())}
