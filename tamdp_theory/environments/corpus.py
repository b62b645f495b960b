"""A hundred short passages about an invented coast, and questions over two of them each: what ``search`` looks things
up in. Everything in it was made up for the purpose.

A question shows a landmark, a form in a colour. The first passage says in which town it stands, the second what one
wants to know of that town.
"""

from dataclasses import dataclass
from functools import cache

COLOURS, FORMS = ("red", "green", "blue"), ("tower", "bridge", "arch", "dome")
FACTS = ("river", "dish", "festival", "trade")

# colour, form, name, town, material, year, height
_LANDMARKS = (
    ("red", "tower", "Oskar Light", "Velmar", "granite", 1684, 41),
    ("green", "bridge", "Long Span", "Tarnow", "oak", 1721, 12),
    ("blue", "arch", "Sailor's Gate", "Pellin", "marble", 1598, 19),
    ("red", "dome", "Ember Hall", "Quorn", "copper", 1807, 33),
    ("green", "tower", "Moss Keep", "Haldis", "slate", 1455, 28),
    ("blue", "bridge", "Heron Walk", "Brunn", "iron", 1866, 15),
    ("red", "arch", "Brick Door", "Sevrin", "clay", 1633, 11),
    ("green", "dome", "Glass Market", "Ottery", "bronze", 1893, 24),
    ("blue", "tower", "Rain Gauge", "Ilmen", "limestone", 1770, 37),
    ("red", "bridge", "Ox Crossing", "Dorrick", "sandstone", 1512, 9),
    ("green", "arch", "Ivy Gap", "Fennel Bay", "basalt", 1699, 14),
    ("blue", "dome", "Star House", "Wexley", "tin", 1841, 29),
)
# town, river, dish, festival, trade
_TOWNS = (
    ("Velmar", "Brenna", "smoked pike", "Lantern Night", "rope"),
    ("Tarnow", "Sill", "barley soup", "Raft Day", "timber"),
    ("Pellin", "Orrin", "salted plums", "Anchor Week", "dyes"),
    ("Quorn", "Kessel", "pepper bread", "Bell Evening", "glass"),
    ("Haldis", "Thorne", "nettle pie", "Snow Fair", "wool"),
    ("Brunn", "Marrow", "fried eel", "Lock Sunday", "nails"),
    ("Sevrin", "Ladle", "onion tart", "Kiln Feast", "bricks"),
    ("Ottery", "Quill", "honey cake", "Market Dance", "paper"),
    ("Ilmen", "Vesper", "pear cheese", "Cloud Parade", "clocks"),
    ("Dorrick", "Gannet", "oat porridge", "Drover Games", "leather"),
    ("Fennel Bay", "Tansy", "fennel stew", "Green Regatta", "soap"),
    ("Wexley", "Lumen", "quail eggs", "Comet Watch", "lenses"),
)
_REGION = (
    "Ferries leave the northern piers at dawn and come back with the evening tide.",
    "In a dry summer the marshes between the hills can be crossed on foot.",
    "Old maps of the coast put the sandbanks a league too far west.",
    "Storms from the open sea reach the inner bays only in late autumn.",
    "A carter needs three days for the coastal road, and four with a loaded waggon.",
    "Foxgloves grow along the cliffs, and nobody picks them.",
    "The weights of the salt merchants were checked once a year against a stone.",
    "Grey geese rest on the lagoons in October before they fly on.",
    "Letters were carried by boat until the first wires were laid.",
    "Most wells on the islands taste of iron.",
    "Before the dykes were built the lowlands were flooded every spring.",
    "A pilot's licence took seven winters to earn.",
    "Windmills on the ridge ground mustard seed for export.",
    "The dialect of the islands has eleven words for drizzle.",
    "Fishing nets were tarred in the week after the first frost.",
    "Toll was paid in candles as late as the great fire.",
)


@dataclass(frozen=True)
class Question:
    """A landmark, a fact that is asked for, the passages that tell (their places in ``passages``), the queries that
    would be ideal, and the answer.
    """

    colour: str
    form: str
    fact: str
    passages: tuple[int, int]
    queries: tuple[str, str]
    answer: str

    @property
    def text(self) -> str:
        """What is asked."""
        asked = {
            "river": "Which river flows through the town where it stands?",
            "dish": "Which dish is the town where it stands known for?",
            "festival": "Which festival is held in the town where it stands?",
            "trade": "Which trade made the town where it stands rich?",
        }
        return f"The picture shows a landmark. {asked[self.fact]}"


@cache
def passages() -> tuple[str, ...]:
    """Every passage."""
    found = []
    for colour, form, name, town, material, year, height in _LANDMARKS:
        found.append(f"The {colour} {form} called {name} stands in the town of {town}, and sailors steer by it.")
        found.append(f"{name} was finished in {year}, after two winters in which no work was done.")
        found.append(f"{name} is made of {material} and is {height} paces high.")
    for town, river, dish, festival, trade in _TOWNS:
        found.append(f"The river {river} flows through {town} before it turns to the sea.")
        found.append(f"A dish that visitors ask for in {town} is {dish}, served in wooden bowls.")
        found.append(f"Every year {town} holds the festival of {festival}, and shops close at noon.")
        found.append(f"{town} grew rich by its trade in {trade}, sold as far as the southern ports.")
    return (*found, *_REGION)


@cache
def questions() -> tuple[Question, ...]:
    """One for each landmark."""
    found, towns = [], {row[0]: row for row in _TOWNS}
    for k, (colour, form, _, town, *_) in enumerate(_LANDMARKS):
        fact = FACTS[k % len(FACTS)]
        place = 3 * len(_LANDMARKS) + 4 * list(towns).index(town) + FACTS.index(fact)
        queries = (f"town {colour} {form}", f"{fact} {town}".lower())
        answer = towns[town][1 + FACTS.index(fact)].lower()
        found.append(Question(colour, form, fact, (3 * k, place), queries, answer))
    return tuple(found)
