"""The one error of this package: where a pattern is wrong, and why."""


class PatternError(ValueError):
    """A pattern that is refused: `line` and `column` (from 1), `reason`, and the whole as one `sentence`."""

    line: int
    column: int
    reason: str
    sentence: str

    def __init__(self, reason: str, text: str = "", offset: int = 0) -> None:
        before = text[:offset]
        self.line = before.count("\n") + 1
        self.column = offset - (before.rfind("\n") + 1) + 1
        self.reason = reason
        self.sentence = f"The pattern is refused at line {self.line}, column {self.column}: {reason}."
        super().__init__(self.sentence)
