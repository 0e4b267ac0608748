"""What the demo shop's items are called and described with; publishers write in their own language."""

HOUSE = "Lantern Commons"
PUBLISHERS = (
    "Copper Finch", "Northlamp", "Paper Moth", "Tidewheel", "Quiet Anvil", "Salt & Circuit", "Brasshop", "Low Orbit",
    "Hedgerow", "Nightferry", "Tin Parade", "Glass Harbour", "Ferrous", "Ninth Meadow", "Pale Engine", "Old Compass",
    "Kettle Row", "Birchwood", "Saffron Key", "Polar Thread", "Rook & Vale", "Moss Theory", "Amber Lift", "Drift Yard",
    "Seven Sluices", "Marble Fox", "Candle Works", "Iron Orchard", "Blue Static", "Wren Street", "Velvet Gear",
    "Stone Ferry", "Lilac Signal", "Cobalt Hut", "Umber", "Harrow Lane",
)  # fmt: skip
OWN = ("cosmetics", "subscription")
GAMES = ("role-playing", "strategy", "racing", "puzzle", "adventure", "shooter", "simulation", "cards")
CATEGORIES = OWN + GAMES
# tag: in German and French
TAGS = {
    "dark": ("düster", "sombre"),
    "cosy": ("gemütlich", "douillet"),
    "pixel": ("pixelig", "pixel"),
    "space": ("weltraum", "espace"),
    "magic": ("magie", "magie"),
    "robots": ("roboter", "robots"),
    "pirates": ("piraten", "pirates"),
    "medieval": ("mittelalter", "médiéval"),
    "trains": ("züge", "trains"),
    "cats": ("katzen", "chats"),
    "survival": ("überleben", "survie"),
    "building": ("aufbau", "construction"),
    "stealth": ("schleichen", "infiltration"),
    "story": ("geschichte", "histoire"),
    "retro": ("retro", "rétro"),
    "coop": ("kooperativ", "coopératif"),
    "competitive": ("wettkampf", "compétitif"),
    "relaxing": ("entspannend", "relaxant"),
    "horror": ("grusel", "horreur"),
    "comedy": ("komödie", "comédie"),
    "farming": ("landwirtschaft", "agriculture"),
    "sailing": ("segeln", "voile"),
    "mystery": ("rätselhaft", "mystère"),
    "music": ("musik", "musique"),
    "neon": ("neon", "néon"),
    "war": ("krieg", "guerre"),
    "cooking": ("kochen", "cuisine"),
    "dragons": ("drachen", "dragons"),
}
LANGUAGES = ("en", "de", "fr")
SENTENCES = (
    "A {category} of {publisher}: {tags}. {mood}.",
    "{publisher} zeigt: {category} mit {tags}. {mood}.",
    "{publisher} présente : {category}, {tags}. {mood}.",
)
MOODS = (
    ("For long evenings", "For a short break", "With friends or alone", "Hard but fair", "Slow and beautiful"),
    ("Für lange Abende", "Für kurze Pausen", "Allein oder mit Freunden", "Schwer, aber fair", "Langsam und schön"),
    ("Pour les longues soirées", "Pour une pause", "Seul ou entre amis", "Dur mais juste", "Lent et beau"),
)
FIRST = (
    "Amber", "Hollow", "Silver", "Distant", "Iron", "Gentle", "Last", "Crimson", "Quiet", "Broken", "Northern",
    "Second", "Paper", "Winter", "Burning", "Hidden",
)  # fmt: skip
SECOND = (
    "Harbour", "Orbit", "Garden", "Kingdom", "Signal", "Caravan", "Tower", "River", "Engine", "Archive", "Lantern",
    "Reef", "Crown", "Valley", "Circuit", "Parade",
)  # fmt: skip
KINDS = {"cosmetics": ("Cloak", "Banner", "Emote", "Skin", "Frame"), "subscription": ("Pass", "Club", "Plus")}
