from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.db import transaction

from store.models import Product

GOODS = [
    ("anchor", "Folding anchor", "89.00", "Holds a dinghy in mud, sand and weed.",
     "Four flukes fold flat against the shank and lock open with a collar. Galvanised steel, 3.2 kg, with a shackle."),
    ("bell", "Brass ship's bell", "64.50", "Rings the watch, or the door.",
     "Cast brass with a hand-tied lanyard. Mounts with three screws; the bracket is included. 15 cm across the mouth."),
    ("compass", "Hand bearing compass", "47.90", "A bearing to the degree, at arm's length.",
     "Liquid-filled card with a magnified scale, luminous for an hour after a minute of light. Floats if dropped."),
    ("lantern", "Storm lantern", "32.00", "Burns for a night on a small tank.",
     "Hot-dip tinned, with a wind-proof globe and a wire bail. Burns lamp oil; 0.34 litres last about 20 hours."),
    ("rope", "Mooring rope, 12 mm", "21.75", "Ten metres of three-strand, spliced.",
     "Pre-stretched polyester with an eye spliced at one end and whipping at the other. Takes sun and salt for years."),
    ("chart", "Chart of the estuary", "18.40", "Soundings, marks and the two bridges.",
     "Water-proof paper at 1:20 000, corrected to this spring. Shows the piers and their cutwaters in plan."),
]


class Command(BaseCommand):
    help = "Puts the example products on the shelf and makes the demo user (demo / fair-winds)."

    @transaction.atomic
    def handle(self, **options):
        for slug, name, price, summary, description in GOODS:
            values = {"name": name, "price": price, "summary": summary, "description": description}
            Product.objects.update_or_create(slug=slug, defaults=values | {"picture": f"store/goods/{slug}.svg"})
        users = get_user_model().objects
        if not users.filter(username="demo").exists():
            users.create_user("demo", password="fair-winds")
