"""The page of a held call, as an approver without JavaScript uses it. page.py ADMIN_URL TOKEN ID WORD... [--approve]

Logs in, opens the call, fails unless each WORD stands on the page, and with --approve sends the form that lets it go.
"""

import html.parser
import http.cookiejar
import sys
import urllib.error
import urllib.parse
import urllib.request

admin, token, identifier = sys.argv[1:4]
words = [word for word in sys.argv[4:] if word != "--approve"]
cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
browser = urllib.request.build_opener(cookies)


class Forms(html.parser.HTMLParser):
    """Every form with its address and fields, and the page's text."""

    def __init__(self, page: str):
        super().__init__()
        self.forms, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "form":
            self.forms.append((found.get("action") or "", {}, []))
        elif tag in ("input", "button") and self.forms and found.get("name"):
            action, fields, buttons = self.forms[-1]
            if tag == "button" or found.get("type") == "submit":
                buttons.append((found["name"], found.get("value", "")))
            else:
                fields[found["name"]] = found.get("value", "")

    def handle_data(self, data):
        self.text += data


def page(path: str, fields: dict | None = None) -> Forms:
    address = urllib.parse.urljoin(admin, path)
    data = urllib.parse.urlencode(fields).encode() if fields is not None else None
    request = urllib.request.Request(address, data, {"origin": admin} if data else {})
    try:
        answer = browser.open(request)
    except urllib.error.HTTPError as refused:
        # The page that asks who one is.
        if refused.code != 401:
            raise
        answer = refused
    with answer:
        return Forms(answer.read().decode())


action, fields, _ = page("/approvals").forms[0]
page(action, {**fields, "token": token})
shown = page(f"/approvals/{identifier}")
for word in words:
    if word not in shown.text:
        sys.exit(f"the page does not show {word!r}:\n{shown.text}")
if "--approve" in sys.argv:
    for action, fields, buttons in shown.forms:
        if ("decision", "approve") in buttons:
            page(action or f"/approvals/{identifier}", {**fields, "decision": "approve"})
            sys.exit()
    sys.exit(f"the page has no form that approves: {shown.forms}")
