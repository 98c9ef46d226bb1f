"""Secrets from files: ``<NAME>_FILE`` names a file that holds the value of the secret ``<NAME>``.

So a password is in no environment that others may read, as Docker and Kubernetes give it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from flight_assets.errors import FlightAssetsError


def is_secret(field: FieldInfo) -> bool:
    """Return whether the value of a setting is never to be shown."""
    return "SecretStr" in str(field.annotation)


def read_secret(name: str, path: Path) -> str:
    """Return the secret in a file, without the end of its line; "" for an empty file.

    Raises ``FlightAssetsError`` naming variable and file, never what the file holds.
    """
    advice = "name the file that holds the secret alone, readable by this user"
    try:
        return path.expanduser().read_text().rstrip("\r\n")
    except OSError as error:
        raise FlightAssetsError(f"{name}={path}: {error.strerror}; {advice}") from error
    except (UnicodeDecodeError, RuntimeError):  # a binary file; ~somebody
        raise FlightAssetsError(f"{name}={path}: no file of text; {advice}") from None


class SecretFiles(PydanticBaseSettingsSource):
    """Gives each secret setting whose ``_FILE`` variable is set."""

    def __init__(
        self, settings_cls: type[BaseSettings], variables: Mapping[str, str | None]
    ) -> None:
        """Look at ``variables``, by their names in lower case."""
        super().__init__(settings_cls)
        self._variables = variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the secret in the file of a setting, or ``None``; its name; that it is plain."""
        alias = str(field.validation_alias)
        path = self._variables.get(f"{alias}_FILE".lower()) if is_secret(field) else None
        return (read_secret(f"{alias}_FILE", Path(path)) if path else None), alias, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets that files give, by the names of their settings.

        An empty file gives none, as an empty variable does.
        """
        fields = self.settings_cls.model_fields.items()
        found = [self.get_field_value(field, name) for name, field in fields]
        return {alias: value for value, alias, _ in found if value}
