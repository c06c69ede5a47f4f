"""What stands in a secret's place without being one: a reference to it, a placeholder, a word. Pure."""

import re

is_reference = re.compile(
    r"\$.*|%[\w(].*|\{\{.*|<.*|\*+|\.{3}|redacted|none|null|nil|true|false|undefined|string|str|int"
    r"|(?:self|os|process|config|settings|args|opts|options|request|req|env|ENV|this|import\.meta|secrets|vars)[.\[].*",
    re.IGNORECASE | re.DOTALL,
).fullmatch
"""Whether a value only refers to a secret, or says that there is none."""

is_word = re.compile(r"[a-z][a-z_]{0,24}|[A-Z][a-z]{0,24}|[A-Z][A-Z_]{0,24}").fullmatch
"""Whether a value is a word, or a name of one, as a field's or an option's."""
