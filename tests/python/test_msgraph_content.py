"""msgraph-sdk against the sandbox: drives, mailboxes, change notifications."""

import contextlib
import datetime
import http.server
import threading
import urllib.parse

import pytest
from asking import asking, users
from msgraph.generated.models.o_data_errors.o_data_error import ODataError


async def camila(graph):
    return (await graph.users.get(asking(users(filter="employeeId eq 'W-1010'")))).value[0]


def test_a_drive_is_shared(with_graph):
    from msgraph.generated.drives.item.items.item.invite.invite_post_request_body import (
        InvitePostRequestBody,
    )
    from msgraph.generated.models.drive_recipient import DriveRecipient

    async def story(graph):
        owner = await camila(graph)
        drive = await graph.users.by_user_id(owner.id).drive.get()
        assert drive.drive_type == "business" and drive.owner.user.id == owner.id
        root = await graph.drives.by_drive_id(drive.id).root.get()
        item = graph.drives.by_drive_id(drive.id).items.by_drive_item_id(root.id)
        assert (await item.children.get()).value == []
        wish = InvitePostRequestBody(
            recipients=[DriveRecipient(email="noah.fischer@contoso.example")],
            roles=["write"],
            require_sign_in=True,
            send_invitation=False,
        )
        (made,) = (await item.invite.post(wish)).value
        assert made.roles == ["write"] and made.granted_to_v2.user.id
        held = (await item.permissions.get()).value
        assert made.id in [permission.id for permission in held] and len(held) == 2
        await item.permissions.by_permission_id(made.id).delete()
        assert len((await item.permissions.get()).value) == 1
        wish.recipients = [DriveRecipient(email="nobody@elsewhere.example")]
        with pytest.raises(ODataError) as unknown:
            await item.invite.post(wish)
        assert unknown.value.response_status_code == 400

    with_graph(story)


def test_replies_are_set_for_somebody_who_is_away(with_graph):
    from msgraph.generated.models.automatic_replies_setting import AutomaticRepliesSetting
    from msgraph.generated.models.automatic_replies_status import AutomaticRepliesStatus
    from msgraph.generated.models.date_time_time_zone import DateTimeTimeZone
    from msgraph.generated.models.external_audience_scope import ExternalAudienceScope
    from msgraph.generated.models.mailbox_settings import MailboxSettings

    async def story(graph):
        settings = graph.users.by_user_id((await camila(graph)).id).mailbox_settings
        assert (await settings.get()).automatic_replies_setting.status == AutomaticRepliesStatus.Disabled
        away = AutomaticRepliesSetting(
            status=AutomaticRepliesStatus.Scheduled,
            external_audience=ExternalAudienceScope.ContactsOnly,
            internal_reply_message="On leave",
            scheduled_start_date_time=DateTimeTimeZone(date_time="2031-03-03T08:00:00", time_zone="UTC"),
            scheduled_end_date_time=DateTimeTimeZone(date_time="2031-03-10T08:00:00", time_zone="UTC"),
        )
        changed = await settings.patch(MailboxSettings(automatic_replies_setting=away, time_zone="UTC"))
        assert changed.automatic_replies_setting.status == AutomaticRepliesStatus.Scheduled
        seen = (await settings.get()).automatic_replies_setting
        assert seen.internal_reply_message == "On leave"
        assert seen.scheduled_end_date_time.date_time.startswith("2031-03-10T08:00:00")

    with_graph(story)


@contextlib.contextmanager
def receiver(answer=lambda token: token):
    """Something that listens on loopback, and what was posted to it."""
    posted = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            token = query.get("validationToken")
            posted.append(("validation", token[0]) if token else ("notice", body))
            said = answer(token[0]).encode() if token else b""
            self.send_response(200 if token else 202)
            self.send_header("content-type", "text/plain")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/notices", posted
    server.shutdown()
    thread.join(5)


def test_a_subscription_is_validated_told_renewed_and_deleted(with_graph):
    import json
    import time

    from msgraph.generated.models.subscription import Subscription
    from msgraph.generated.models.user import User

    def until(hours):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)

    async def story(graph):
        someone = await camila(graph)
        with receiver() as (url, posted):
            wish = Subscription(
                change_type="updated",
                notification_url=url,
                resource="users",
                expiration_date_time=until(24),
                client_state="ours",
            )
            made = await graph.subscriptions.post(wish)
            assert [kind for kind, _ in posted] == ["validation"]
            assert made.resource == "users" and made.application_id
            await graph.users.by_user_id(someone.id).patch(User(city="Perth"))
            deadline = time.monotonic() + 10
            while len(posted) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            (notice,) = json.loads(posted[1][1])["value"]
            assert (notice["clientState"], notice["resourceData"]["id"]) == ("ours", someone.id)
            one = graph.subscriptions.by_subscription_id(made.id)
            later = until(48)
            renewed = await one.patch(Subscription(expiration_date_time=later))
            assert abs(renewed.expiration_date_time - later) < datetime.timedelta(seconds=1)
            with pytest.raises(ODataError) as too_long:
                await one.patch(Subscription(expiration_date_time=until(24 * 60)))
            assert too_long.value.response_status_code == 400
            assert [found.id for found in (await graph.subscriptions.get()).value] == [made.id]
            await one.delete()
            with pytest.raises(ODataError) as gone:
                await one.get()
            assert gone.value.response_status_code == 404
        with receiver(lambda token: "something else") as (url, posted):
            wish.notification_url = url
            with pytest.raises(ODataError) as invalid:
                await graph.subscriptions.post(wish)
            assert invalid.value.response_status_code == 400
            assert invalid.value.error.code == "ValidationError"
            assert not (await graph.subscriptions.get()).value

    with_graph(story)
