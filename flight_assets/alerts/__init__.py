"""Alerts: what needs a person reaches one by webhook or e-mail, once, and again when it is over."""
