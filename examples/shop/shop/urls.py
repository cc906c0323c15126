from django.contrib.auth import views as auth
from django.urls import path

from store import views

urlpatterns = [
    path("", views.shelf, name="shelf"),
    path("product/<slug:slug>/", views.product, name="product"),
    path("product/<slug:slug>/review/", views.review, name="review"),
    path("product/<slug:slug>/cart/", views.add_to_cart, name="add_to_cart"),
    path("reviews/<int:number>/photo/", views.review_photo, name="review_photo"),
    path("cart/", views.cart_page, name="cart"),
    path("checkout/", views.checkout, name="checkout"),
    path("orders/", views.orders, name="orders"),
    path("orders/<int:number>/", views.order, name="order"),
    path("orders/<int:number>/attachment/", views.order_attachment, name="order_attachment"),
    path("orders/<int:number>/invoice.csv", views.invoice, name="invoice"),
    path("sign-in/", auth.LoginView.as_view(redirect_authenticated_user=True), name="sign_in"),
    path("sign-out/", auth.LogoutView.as_view(), name="sign_out"),
    path("join/", views.join, name="join"),
]
