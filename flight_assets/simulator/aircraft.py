"""The aircraft types of the simulated world and how they fly. Data only.

The figures are rounded from the manufacturers' airport planning documents and type data; they
decide which routes a type can fly and how fast and high it is shown, and nothing else.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """How a kind of aircraft is used: its usual stage length and its climb."""

    usual_km: float
    spread: float  # of the logarithm of the stage length
    climb_s: int  # to the ceiling
    takeoff_kt: int
    flies_at_night: bool


PROP, REGIONAL, NARROW, WIDE, JET, PISTON, HELICOPTER = range(7)
KINDS = (
    Kind(usual_km=420, spread=0.5, climb_s=1_080, takeoff_kt=115, flies_at_night=False),
    Kind(usual_km=750, spread=0.5, climb_s=1_200, takeoff_kt=135, flies_at_night=False),
    Kind(usual_km=1_350, spread=0.55, climb_s=1_260, takeoff_kt=145, flies_at_night=False),
    Kind(usual_km=6_000, spread=0.6, climb_s=1_380, takeoff_kt=160, flies_at_night=True),
    Kind(usual_km=1_300, spread=0.8, climb_s=1_140, takeoff_kt=125, flies_at_night=False),
    Kind(usual_km=170, spread=0.6, climb_s=540, takeoff_kt=65, flies_at_night=False),
    Kind(usual_km=90, spread=0.5, climb_s=240, takeoff_kt=40, flies_at_night=False),
)

# Kind, then type: range in km, cruise in kt, ceiling in ft.
_TYPES = {
    PROP: """AT76 1500 275 22000;DH8D 2000 345 25000;DH8C 1700 285 25000;SF34 1700 270 24000
        PC12 3300 265 28000;C208 1700 175 14000;BE20 3000 290 31000""",
    REGIONAL: """E75L 3700 440 39000;E170 3700 440 39000;E190 4500 450 39000;E195 4200 450 39000
        E295 4900 455 40000;E145 2800 430 36000;CRJ2 2900 430 38000;CRJ7 2500 445 38000
        CRJ9 2900 445 38000;CRJX 3000 445 38000;SU95 3000 450 39000;F100 2500 430 35000""",
    NARROW: """A318 5700 450 39000;A319 6000 450 39000;A320 5700 450 39000;A20N 6300 450 39000
        A321 5600 450 39000;A21N 7400 450 39000;B712 3800 440 37000;B737 6000 455 40000
        B738 5500 455 40000;B739 5400 455 40000;B38M 6500 455 40000;B39M 6500 455 40000
        B752 7200 460 39000;BCS1 5700 450 40000;BCS3 6300 450 40000""",
    WIDE: """A306 7500 455 38000;A332 13400 470 40000;A333 11700 470 40000;A339 13300 470 41000
        A343 13500 470 40000;A346 14400 475 40000;A359 15000 485 42000;A35K 16100 485 42000
        A388 14800 490 42000;B744 13400 490 41000;B748 14300 490 42000;B763 11000 460 40000
        B764 10400 460 40000;B772 14300 485 41000;B77W 13600 485 41000;B77L 15800 485 41000
        B788 13500 485 42000;B789 14100 485 42000;B78X 11900 485 41000;MD11 12600 480 39000""",
    JET: """GLEX 11000 480 47000;GLF5 12000 480 47000;GLF6 13000 485 47000;GL7T 14000 485 47000
        C56X 3700 430 43000;C68A 5000 450 43000;CL35 5900 450 43000;CL60 7000 455 41000
        E55P 3600 450 43000;C25A 2900 400 43000;F2TH 6000 455 45000""",
    PISTON: """C172 1100 110 8000;P28A 900 110 8000;C152 700 95 7000;SR22 1700 170 12000
        TRIN 1800 150 9000;DR40 1100 120 7500;DA40 1200 130 9000;C182 1600 140 9000
        P208 1000 120 7000""",
    HELICOPTER: """EC35 600 130 2500;A139 900 150 4000;EC45 650 130 2500;R44 550 105 2000
        AS50 600 125 2500""",
}


@dataclass(frozen=True)
class Type:
    """One aircraft type by its ICAO designator."""

    code: str
    kind: int
    range_km: int
    cruise_kt: int
    ceiling_ft: int


def _types(kind: int, table: str) -> list[Type]:
    rows = (entry.split() for line in table.splitlines() for entry in line.split(";"))
    return [Type(code, kind, int(km), int(kt), int(ft)) for code, km, kt, ft in rows]


TYPES = tuple(kind_type for kind, table in _TYPES.items() for kind_type in _types(kind, table))
TYPE_INDEX = {kind_type.code: index for index, kind_type in enumerate(TYPES)}
# What private owners fly, the commonest repeated.
_PRIVATE = """C172 C172 C172 P28A P28A C152 SR22 SR22 TRIN DR40 DA40 C182 P208 PC12 PC12 C208 BE20
    GLEX GLEX GLF5 GLF5 GLF6 GL7T C56X C56X C68A CL35 CL60 E55P E55P C25A F2TH
    EC35 EC35 A139 EC45 R44 AS50"""
PRIVATE_TYPES = tuple(TYPE_INDEX[code] for code in _PRIVATE.split())


@dataclass(frozen=True)
class Loiterer:
    """What stays around one place: no airliner, and a type code that is no type."""

    code: str
    share: float  # of all that loiters
    speed_kt: tuple[int, int]
    altitude_ft: tuple[int, int]  # above its place
    hours: tuple[float, float]  # of one flight


LOITERERS = (
    Loiterer("GLID", 0.815, (35, 75), (500, 5_500), (1, 5)),
    Loiterer("0000", 0.10, (80, 250), (1_000, 17_000), (0.5, 2)),
    Loiterer("BALL", 0.025, (1, 15), (52_000, 60_000), (200, 900)),
    Loiterer("GRND", 0.03, (0, 15), (0, 0), (50, 400)),
    Loiterer("SHIP", 0.02, (30, 50), (800, 2_400), (1, 6)),
    Loiterer("DRON", 0.01, (20, 55), (200, 600), (0.5, 2)),
)
