import csv
import mimetypes
import os

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import UserCreationForm
from django.db import transaction
from django.db.models import Avg
from django.http import FileResponse, Http404, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from . import cart
from .forms import OrderForm, QuantityForm, ReviewForm
from .models import Order, OrderLine, Product, Review


def shelf(request):
    products = Product.objects.annotate(stars=Avg("reviews__stars"))
    return render(request, "store/shelf.html", {"title": "Everything for the quay", "products": products})


def product(request, slug, form=None):
    item = get_object_or_404(Product, slug=slug)
    reviews = item.reviews.select_related("author")
    context = {"product": item, "reviews": reviews, "quantity": QuantityForm(), "form": form or ReviewForm()}
    return render(request, "store/product.html", context)


@require_POST
def add_to_cart(request, slug):
    item = get_object_or_404(Product, slug=slug)
    form = QuantityForm(request.POST)
    if form.is_valid():
        cart.add(request, item, form.cleaned_data["quantity"])
        messages.success(request, f"{item.name} is in your cart.")
    return redirect("cart")


@login_required
@require_POST
def review(request, slug):
    item = get_object_or_404(Product, slug=slug)
    form = ReviewForm(request.POST, request.FILES)
    if not form.is_valid():
        return product(request, slug, form)
    form.instance.product = item
    form.instance.author = request.user
    form.save()
    messages.success(request, "Thank you for your review.")
    return redirect(item)


def stored_file(field, download):
    """A file somebody uploaded, handed out as what its name says and never as a page of this site."""
    if not field:
        raise Http404
    try:
        opened = field.open("rb")
    except FileNotFoundError as error:
        raise Http404 from error
    kind = mimetypes.guess_type(field.name)[0] or "application/octet-stream"
    response = FileResponse(opened, as_attachment=download, filename=os.path.basename(field.name), content_type=kind)
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def review_photo(request, number):
    return stored_file(get_object_or_404(Review, pk=number).photo, download=False)


def cart_page(request):
    if request.method == "POST":
        item = get_object_or_404(Product, slug=request.POST.get("product", ""))
        form = QuantityForm(request.POST)
        if form.is_valid():
            cart.put(request, item, form.cleaned_data["quantity"])
            messages.success(request, "Your cart is up to date.")
        return redirect("cart")
    lines = cart.lines(request)
    return render(request, "store/cart.html", {"lines": lines, "total": sum(line["total"] for line in lines)})


@login_required
def checkout(request):
    lines = cart.lines(request)
    if not lines:
        messages.info(request, "Your cart is empty.")
        return redirect("shelf")
    form = OrderForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        form.instance.customer = request.user
        with transaction.atomic():
            placed = form.save()
            for line in lines:
                OrderLine.objects.create(
                    order=placed, product=line["product"], quantity=line["quantity"], price=line["product"].price
                )
        cart.empty(request)
        messages.success(request, f"Order {placed.pk} is placed. Fair winds!")
        return redirect("order", placed.pk)
    total = sum(line["total"] for line in lines)
    return render(request, "store/checkout.html", {"form": form, "lines": lines, "total": total})


@login_required
def orders(request):
    return render(request, "store/orders.html", {"orders": request.user.orders.prefetch_related("lines")})


def own_order(request, number):
    return get_object_or_404(Order.objects.prefetch_related("lines__product"), pk=number, customer=request.user)


@login_required
def order(request, number):
    return render(request, "store/order.html", {"order": own_order(request, number)})


@login_required
def order_attachment(request, number):
    return stored_file(own_order(request, number).attachment, download=True)


class Echo:
    """A file for csv.writer that hands each row back instead of keeping it."""

    def write(self, row):
        return row


@login_required
def invoice(request, number):
    placed = own_order(request, number)
    writer = csv.writer(Echo())

    def rows():
        yield writer.writerow(["product", "quantity", "price", "total"])
        for line in placed.lines.all():
            yield writer.writerow([line.product.name, line.quantity, line.price, line.total])
        yield writer.writerow(["", "", "", placed.total])

    headers = {"Content-Disposition": f'attachment; filename="invoice-{placed.pk}.csv"'}
    return StreamingHttpResponse(rows(), content_type="text/csv; charset=utf-8", headers=headers)


def join(request):
    form = UserCreationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        login(request, form.save())
        messages.success(request, "Welcome aboard.")
        return redirect("shelf")
    return render(request, "registration/join.html", {"form": form})
