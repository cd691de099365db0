"""Messages with parts are made, written, parsed and walked, with email."""

import email
import email.policy
from email.message import EmailMessage

import pyperf


def work():
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "déjà vu " * 8, "A <a@x.org>", "b@x.org, c@y.org"
    message.set_content("text é\n" * 20)
    message.add_alternative("<p>text</p>", subtype="html")
    message.add_attachment(
        bytes(range(256)), maintype="application", subtype="octet-stream", filename="f.bin"
    )
    message.set_boundary("=" * 10)
    again = email.message_from_bytes(message.as_bytes(), policy=email.policy.default)
    return (
        [(part.get_content_type(), part.get_filename()) for part in again.walk()],
        str(again["to"].addresses),
        again["subject"],
    )


pyperf.Runner().bench_func("email_messages", work)
