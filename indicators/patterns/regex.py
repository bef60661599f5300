"""Whether the text after MATCHES can be a regular expression at all (PCRE, STIX 2.1 §9.6.1).

RE2 reads it and nothing runs it: the service matches no traffic. What RE2 lacks (look-around, back references,
possessive quantifiers and so on) is PCRE all the same and passes; only what no engine takes is refused.
"""

import re2

_NOTHING_TO_REPEAT = b"no argument for repetition operator"
_FAULTS = {
    b"missing ]": "a [ is not closed",
    b"missing )": "a ( is not closed",
    b"unexpected )": "a ) closes nothing",
    b"trailing \\": "it ends in a backslash that escapes nothing",
    _NOTHING_TO_REPEAT: "a quantifier has nothing to repeat",
}

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.never_capture = True
# Bytes. What is larger than this is not compiled to the end, which is as good: only its syntax is asked for.
_OPTIONS.max_mem = 16 * 1024


def fault(text: str) -> str | None:
    """What is wrong with a regular expression, in words; None when it may be one."""
    # Unicode's classes take RE2 50 times as long as anything else, and whether brackets match does not depend
    # on them.
    text = text.replace("\\p", "\\d").replace("\\P", "\\D")
    try:
        re2.compile(text, _OPTIONS)
    except re2.error as error:
        told = error.args[0].partition(b":")[0]
        if told == _NOTHING_TO_REPEAT and "(*" in text:
            return None  # perhaps a verb of PCRE, such as (*UTF8)
        return _FAULTS.get(told)
    return None
