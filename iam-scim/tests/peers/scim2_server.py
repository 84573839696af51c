"""Serves scim2-server from memory: scim2_server.py PORT TOKEN. Base URL: http://127.0.0.1:PORT/v2

Ends when its standard input does.
"""

import os
import sys
import threading

# A file of the package's name lies in this directory, which Python puts first.
sys.path = [entry for entry in sys.path if os.path.abspath(entry or ".") != os.path.dirname(os.path.abspath(__file__))]

from scim2_server.testserver.cli import main  # noqa: E402


def end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    port, token = sys.argv[1:3]
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.argv = ["scim2-server", "--port", port, "--bearer-token", token]
    sys.exit(main())
