"""What an action says instead of doing it."""


class Invalid(ValueError):
    """What was asked for cannot be: the field, empty where it is no field's fault, and why."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}" if field else sentence)
        self.field, self.sentence = field, sentence


class Unknown(LookupError):
    """There is no such thing, or none that may be known here."""
