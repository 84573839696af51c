import json
import random

from config import config

SIGNS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@#$%^&*()-_=+"


def load_json_file(path):
    return json.load(open(path))


def generate_password():
    # The tests must not fail by a password that Entra refuses.
    return "aA1!" + "".join(random.choice(SIGNS) for _ in range(config["default_password_length"] - 4))
