"""A browser without scripts: it follows redirects below the sandbox, keeps cookies, fills in forms."""

from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx


class Page(HTMLParser):
    """The form of a page, its fields and its alert."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.action, self.hidden, self.fields, self.alert = (
            answer,
            None,
            {},
            [],
            "",
        )
        self._alerting = False
        self.feed(answer.text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "form":
            self.action = urljoin(str(self.answer.url), found["action"])
        elif tag == "input" and found.get("type") == "hidden":
            self.hidden[found["name"]] = found["value"]
        elif tag == "input":
            self.fields.append(found["name"])
        self._alerting = found.get("role") == "alert"

    def handle_endtag(self, tag):
        self._alerting = False

    def handle_data(self, data):
        if self._alerting:
            self.alert += data


class Browser:
    def __init__(self, tenant):
        self.tenant = tenant
        self.http = httpx.Client()

    def open(self, url):
        """A page of the sandbox, or where the browser was sent to elsewhere."""
        return self._read(self.http.get(url))

    def fill(self, page, **values):
        return self._read(self.http.post(page.action, data=page.hidden | values))

    def _read(self, answer):
        while answer.is_redirect:
            place = urljoin(str(answer.url), answer.headers["location"])
            if not place.startswith(self.tenant["SANDBOX_AUTHORITY"]):
                return place
            answer = self.http.get(place)
        return Page(answer)

    def sign_in(self, url, user, code=None):
        """Through every page; gives the parameters that the application gets."""
        page = self.open(url)
        assert page.fields == ["username"], page.answer.text
        page = self.fill(page, username=user)
        assert page.fields == ["password"], page.answer.text
        page = self.fill(page, password=self.tenant["SANDBOX_USER_PASSWORD"])
        if code is not None:
            assert page.fields == ["code"], page.answer.text
            page = self.fill(page, code=code)
        return parameters(page)


def parameters(place):
    """Of an address, or of a form that a script would post."""
    if isinstance(place, Page):
        return place.hidden
    return {name: values[0] for name, values in parse_qs(urlsplit(place).query).items()}
