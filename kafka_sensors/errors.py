"""What can go wrong between a topic and its table. Each says what, where, and what to do."""


class KafkaSensorsError(Exception):
    """The base of all errors here: one clear line for a person."""


class KafkaUnavailableError(KafkaSensorsError):
    """The brokers do not answer."""


class NotAllowedError(KafkaSensorsError):
    """The brokers do not let this user do it."""


class UnknownTopicError(KafkaSensorsError):
    """The brokers have no such topic."""


class HoleError(KafkaSensorsError):
    """The broker has deleted offsets that never landed."""


class LogTruncatedError(KafkaSensorsError):
    """The topic ends before the ledger does, though it still is the same topic."""


class TopicRecreatedError(KafkaSensorsError):
    """The topic is another one than the ledger knows, under the same name."""


class OffsetsGoneError(KafkaSensorsError):
    """Kafka no longer holds what a replay or a read needs."""


class EarlierHoursWaitError(KafkaSensorsError):
    """Messages of earlier hours wait; the ledger is a chain and cannot skip them."""


class ConnectionBusyError(KafkaSensorsError):
    """The connection is inside a transaction, so a slice could not commit by itself."""


class LedgerMovedError(KafkaSensorsError):
    """Another run has written the part of the ledger that this one had prepared for."""
