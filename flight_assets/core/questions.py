"""The ten questions by name, in their order: what a person calls them, and what they are within.

How they are answered is the business of the gold models of the same names.
"""

from dataclasses import dataclass
from typing import Literal

ScopeKind = Literal["world", "continent", "country"]


@dataclass(frozen=True)
class Question:
    """A question: the name of its gold model, and its title."""

    name: str
    title: str

    @property
    def scope_kind(self) -> ScopeKind:
        """Return what the question is answered for each of; its name says so.

        >>> Question("top_airlines", "").scope_kind
        'world'
        >>> Question("mean_ground_speed_by_continent", "").scope_kind
        'continent'
        >>> Question("top_aircraft_models_by_airline_country", "").scope_kind
        'country'
        """
        if self.name.endswith("_by_continent"):
            return "continent"
        return "country" if self.name.endswith("_country") else "world"

    @property
    def is_about_single_flights(self) -> bool:
        """Return whether a subject is one flight, which no other hour of another day has."""
        return self.name == "longest_active_flights"


QUESTIONS = {
    question.name: question
    for question in (
        Question("top_airlines", "Airlines with the most active flights"),
        Question(
            "top_regional_airlines_by_continent",
            "Airlines with the most active flights within a continent",
        ),
        Question("longest_active_flights", "Active flights over the longest routes"),
        Question("mean_route_distance_by_continent", "Mean route distance, by continent of origin"),
        Question("top_aircraft_manufacturers", "Manufacturers with the most active flights"),
        Question(
            "top_aircraft_models_by_continent", "Aircraft models flown most, by continent of origin"
        ),
        Question(
            "top_aircraft_models_by_airline_country",
            "Aircraft models flown most, by airline country",
        ),
        Question(
            "top_destination_airports_by_continent",
            "Airports that the most active flights are bound for",
        ),
        Question("airport_traffic_imbalance", "Airports by outgoing minus incoming active flights"),
        Question("mean_ground_speed_by_continent", "Mean ground speed, by continent of origin"),
    )
}
