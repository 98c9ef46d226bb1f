"""Where alerts go: a webhook, and e-mail. The secrets that they need are in no word of theirs."""

import json
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from http.client import HTTPException
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from flight_assets.alerts.text import as_fields, as_text, subject
from flight_assets.core.alerts import Alert
from flight_assets.errors import FlightAssetsError
from flight_assets.settings import Settings

TIMEOUT_S = 10


class AlertNotSentError(FlightAssetsError):
    """A receiver did not take an alert."""


class Receiver(Protocol):
    """Somebody who is told."""

    name: str

    def send(self, alert: Alert, *, ui_url: str | None) -> None:
        """Tell it; raises ``AlertNotSentError``, whose words hold no secret."""


class _NoRedirect(HTTPRedirectHandler):
    """A redirected POST would be sent on as a GET, and its answer taken for ours."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An HTTP endpoint that takes JSON: ``text`` for people, the other fields for programs."""

    url: str
    name: str = "webhook"

    def __repr__(self) -> str:
        return f"Webhook({urlsplit(self.url).hostname})"  # its path is the secret

    def send(self, alert: Alert, *, ui_url: str | None) -> None:
        """POST it; any answer but 2xx is a failure."""
        body = json.dumps({"text": as_text(alert, ui_url), **as_fields(alert, ui_url)}).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "flight-assets"}
        request = Request(self.url, data=body, headers=headers, method="POST")
        where = f"the webhook at {urlsplit(self.url).hostname}"
        try:
            build_opener(_NoRedirect).open(request, timeout=TIMEOUT_S).close()
        except HTTPError as error:
            raise AlertNotSentError(
                f"{where} answers HTTP {error.code}: check ALERT_WEBHOOK_URL"
            ) from None
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise AlertNotSentError(
                f"{where} cannot be reached ({reason}): check ALERT_WEBHOOK_URL and the network"
            ) from None


@dataclass(frozen=True, kw_only=True)
class Email:
    """Mail by SMTP. ``security``: ``starttls``, ``tls`` from the first byte, or ``none``."""

    host: str
    port: int
    security: str
    user: str | None
    password: str | None
    sender: str
    to: tuple[str, ...]
    name: str = "e-mail"

    def __repr__(self) -> str:
        return f"Email({self.host}:{self.port})"

    def send(self, alert: Alert, *, ui_url: str | None) -> None:
        """Send it as one message to all."""
        message = EmailMessage()
        message["Subject"] = subject(alert)
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message.set_content(as_text(alert, ui_url))
        try:
            with self._server() as server:
                if self.user is not None:
                    server.login(self.user, self.password or "")
                server.send_message(message)
        except smtplib.SMTPAuthenticationError:
            raise AlertNotSentError(
                f"{self.host}:{self.port} rejects SMTP_USER or SMTP_PASSWORD"
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            words = (str(error).splitlines() or [type(error).__name__])[0]
            raise AlertNotSentError(
                f"{self.host}:{self.port} does not take the mail ({words}): check SMTP_HOST, "
                "SMTP_PORT and SMTP_SECURITY"
            ) from None

    def _server(self) -> smtplib.SMTP:
        if self.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S)
        if self.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except (smtplib.SMTPException, OSError):
                server.close()
                raise
        return server


def receivers_of(settings: Settings) -> list[Receiver]:
    """Return the receivers that the settings describe; none where alerts are off.

    Raises ``FlightAssetsError`` where only a part of what mail needs is set.
    """
    found: list[Receiver] = []
    if settings.alert_webhook_url is not None:
        found.append(Webhook(url=settings.alert_webhook_url.get_secret_value()))
    to = tuple(each.strip() for each in (settings.alert_email_to or "").split(",") if each.strip())
    if to:
        if settings.smtp_host is None:
            raise FlightAssetsError("ALERT_EMAIL_TO is set, SMTP_HOST is not: name the mail server")
        password = settings.smtp_password
        found.append(
            Email(
                host=settings.smtp_host,
                port=settings.smtp_port,
                security=settings.smtp_security,
                user=settings.smtp_user,
                password=None if password is None else password.get_secret_value(),
                sender=settings.alert_email_from,
                to=to,
            )
        )
    return found
