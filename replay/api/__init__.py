"""The public names of the package, a module a subject. `import replay` brings each when it is first used.

All take the trace first, then the target or targets, then keywords. A path is a text or a Path; a target is a URL,
the path of a target file, or a Target. Times are in seconds or milliseconds, as the name says (`_s`, `_ms`); shares
are 0 to 1 unless they are called percent.
"""
