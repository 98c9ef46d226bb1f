"""A small HTTP server that speaks FlightRadar24's wire protocol, for the real client to talk to.

``world`` computes a sky from a seed, ``recorded`` plays captures back, ``server`` serves either,
``faults`` makes it misbehave. Nothing outside the package needs more than ``server``.
"""
