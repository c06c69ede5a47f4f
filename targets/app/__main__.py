"""Run one instance until SIGTERM: `python -m targets.app`, or with `--port N` in place of PORT."""

import time

started_s = time.monotonic()  # before the imports, which are part of the boot

import argparse  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402

import uvicorn  # noqa: E402

from targets.app.application import Instance  # noqa: E402
from targets.app.settings import SettingsError, settings_from  # noqa: E402

# Longer than a load balancer keeps an idle connection (60 s at an AWS ALB), so that the balancer ends it, not we.
_KEEP_ALIVE_S = 75


def main() -> int:
    """Boot, serve, stop. Returns the exit code: 0 after SIGTERM, 2 for settings that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m targets.app", description="A small agent application.")
    parser.add_argument("--port", help="where to listen, in place of the environment's PORT")
    given = parser.parse_args()
    # While it boots, this ends it at once. Later uvicorn ends its work first, and then raises the signal again.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = settings_from({**os.environ, **({"PORT": given.port} if given.port else {})})
        instance = Instance(settings)
    except SettingsError as fault:
        print(f"agent-app: {fault}", file=sys.stderr)
        return 2
    took_s = time.monotonic() - started_s
    print(f"agent-app: {instance.name} booted in {took_s:.3f} s, sessions in {settings.state}", flush=True)
    try:
        uvicorn.run(
            instance.asgi,
            host=settings.host,
            port=settings.port,
            lifespan="off",
            access_log=False,
            log_level="warning",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(settings.grace_s)),
        )
    except KeyboardInterrupt:
        return 130
    finally:
        instance.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
