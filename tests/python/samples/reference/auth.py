from config import get_token as get_access_token  # noqa: F401
