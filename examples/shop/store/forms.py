from django import forms

from .cart import MOST
from .models import Order, Review

LARGEST_UPLOAD = 20 * 1024 * 1024
PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp")


def checked_upload(file, endings=None):
    if file and file.size > LARGEST_UPLOAD:
        raise forms.ValidationError("Please keep files under 20 MB.")
    if file and endings and not file.name.lower().endswith(endings):
        raise forms.ValidationError("Please choose a picture (%s)." % ", ".join(endings))
    return file


class QuantityForm(forms.Form):
    quantity = forms.IntegerField(min_value=0, max_value=MOST, initial=1)


class ReviewForm(forms.ModelForm):
    stars = forms.TypedChoiceField(coerce=int, choices=[(n, "★" * n) for n in range(5, 0, -1)])

    class Meta:
        model = Review
        fields = ["stars", "text", "photo"]
        widgets = {"text": forms.Textarea(attrs={"rows": 4})}

    def clean_photo(self):
        return checked_upload(self.cleaned_data["photo"], PICTURES)


class OrderForm(forms.ModelForm):
    class Meta:
        model = Order
        fields = ["name", "address", "note", "attachment"]
        widgets = {"address": forms.Textarea(attrs={"rows": 3})}
        labels = {"note": "Note for the crew", "attachment": "Attachment (a drawing, a list)"}

    def clean_attachment(self):
        return checked_upload(self.cleaned_data["attachment"])
