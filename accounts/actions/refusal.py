"""What an action says instead of doing it."""


class Invalid(ValueError):
    """What was asked for cannot be: the field, empty where it is no field's fault, and why."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}" if field else sentence)
        self.field, self.sentence = field, sentence


class ReasonMissing(ValueError):
    """What changes what others see, or who may do what, needs a reason."""


def stated(reason: str) -> str:
    """A reason without the space around it; raises `ReasonMissing` for none."""
    if not reason.strip():
        raise ReasonMissing("say why")
    return reason.strip()


class Unknown(LookupError):
    """There is no such thing, or none that may be known here."""
