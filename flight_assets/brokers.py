"""What librdkafka's clients need to be let in by the brokers that the settings name."""

from flight_assets.settings import Settings


def security_options(settings: Settings) -> dict[str, str]:
    """Return librdkafka's options for TLS and the log-in; none for brokers in the clear.

    The brokers' certificates must be of the authority in KAFKA_SSL_CA, or of one that the system
    trusts, and name the host that was asked for: librdkafka's default.
    """
    if settings.kafka_security_protocol == "PLAINTEXT":
        return {}
    assert settings.kafka_sasl_username and settings.kafka_sasl_password  # the settings see to it
    options = {
        "security.protocol": settings.kafka_security_protocol,
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": settings.kafka_sasl_password.get_secret_value(),
    }
    if settings.kafka_ssl_ca is not None:
        options["ssl.ca.location"] = str(settings.kafka_ssl_ca)
    return options
