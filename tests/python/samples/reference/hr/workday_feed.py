import json


def load_workday_feed(file_path="workday_feed.json"):
    return json.load(open(file_path))
