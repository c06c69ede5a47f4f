"""The name under which a reader of event streams was known here; scripts of users still ask for it."""

from replay.dialects.streams import StreamReader

SseTimer = StreamReader
