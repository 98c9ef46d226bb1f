"""The parts of the ``flight-assets`` command; each registers its commands on the app.

They import what they need when they run, so that ``--help`` answers at once.
"""
