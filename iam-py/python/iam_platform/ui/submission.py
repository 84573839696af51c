"""From a form to what has been done: the plan, the confirmation, the job, and its result."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from . import identity, plan, session, show
from .backend import BackendError, part
from .follow import follow
from .scheduled import scheduled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .record import Flaw

_JOB = re.compile(r"^[ebnu][0-9a-f]{32}$")


@dataclass(frozen=True)
class Wish:
    """What somebody asks for.

    Attributes:
        person: the worker id.
        whom: what people call them.
        record: what HR would say from then on: the plan is made of it.
        path: where it is sent.
        body: what is sent.
        verb: on the button that does it, as ``Hire``.
        remark: what is to be known of the plan, as that it counts from a later day.
        always_typed: whether the worker id is typed even where nothing is taken away.
        at_once: whether it must not wait for anything: neither for a plan that cannot be made, nor for one that changed.
    """

    person: str
    whom: str
    record: dict[str, str] = field(repr=False)
    path: str
    body: dict[str, Any] = field(repr=False)
    verb: str
    remark: str = ""
    always_typed: bool = False
    at_once: bool = False

    @property
    def fingerprint(self) -> str:
        """The same for the same wish."""
        said = json.dumps([self.path, self.body, self.record], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()


class Submission:
    """The way of one form.

    Args:
        name: the form's, before the keys of its widgets.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._kept = f"_plan_{name}"

    @property
    def tried(self) -> bool:
        """Whether somebody has asked for the plan: from then on it is said what is missing."""
        return bool(st.session_state.get(f"_tried_{self.name}"))

    def flawed(self, flaws: Sequence[Flaw]) -> None:
        """Says in one place what is to be mended before there is a plan."""
        if flaws and self.tried:
            listed = "\n".join(f"- {show.text(flaw.message)}" for flaw in flaws)
            st.error(
                f"**{len(flaws)} {'thing' if len(flaws) == 1 else 'things'} to mend first.**\n\n{listed}", icon="✖️"
            )

    def offer(self, wish: Wish | None, done: Callable[[], None]) -> None:
        """Draws the button for the plan, then the plan and its confirmation.

        Args:
            wish: what is asked for; None while the form is not complete: then it is said what is missing.
            done: called once it was accepted: to forget the draft.
        """
        kept: dict[str, Any] | None = st.session_state.get(self._kept)
        fits = kept is not None and wish is not None and kept["of"] == wish.fingerprint
        asked = st.button("Show plan", key=f"{self.name}-plan", type="secondary" if fits else "primary")
        if asked and wish is None:
            st.session_state[f"_tried_{self.name}"] = True
            st.rerun()
        if asked and wish is not None:
            self._ask(wish)
            kept = st.session_state.get(self._kept)
            fits = kept is not None
        if kept is not None and not fits and not asked:
            st.info("**The form has changed since the plan was made.** Show the plan again.", icon="🔁")
        if kept is not None and wish is not None and fits:
            self._confirm(kept, wish, done)

    def _ask(self, wish: Wish) -> None:
        st.session_state.pop(self._kept, None)
        st.session_state.pop(f"{self.name}-typed", None)
        kept = {"of": wish.fingerprint, "key": str(uuid.uuid4()), "preview": None, "changed": False}
        try:
            with st.spinner("Working out what would happen…"):
                kept["preview"] = session.backend().post("/hr/plan", {"records": [wish.record]})
        except BackendError as error:
            show.problem(error, key=f"{self.name}-plan-problem")
            if not wish.at_once or error.errors:
                return
        st.session_state[self._kept] = kept

    def _confirm(self, kept: dict[str, Any], wish: Wish, done: Callable[[], None]) -> None:
        preview = kept["preview"]
        st.subheader("Plan", anchor=False)
        if wish.remark:
            st.info(wish.remark, icon="📅")
        if kept["changed"]:
            st.warning("**The plan has changed since it was shown.** Look at it again before you go on.", icon="🔁")
        if preview is None:
            st.warning("**The plan cannot be shown now.** You can go on without: this must not wait.", icon="⚠️")
        else:
            plan.plan(preview, caption=f"Plan for {wish.whom}")
            if plan.stopped(preview):
                st.markdown("You may still send it: it is accepted, and waits until somebody has decided.")
        self._send(kept, wish, done)

    def _send(self, kept: dict[str, Any], wish: Wish, done: Callable[[], None]) -> None:
        right, why = True, None
        if wish.always_typed or kept["preview"] is None or plan.takes_away(kept["preview"]):
            typed = st.text_input(
                f"Type the worker id {show.text(wish.person)} to confirm that you mean it",
                key=f"{self.name}-typed",
                autocomplete="off",
            )
            right = typed.strip() == wish.person
            why = None if right else f"Type {show.text(wish.person)} first, and press Enter."
        label = f"{wish.verb} {show.text(wish.whom)}"
        if not st.button(label, key=f"{self.name}-send", type="primary", disabled=not right, help=why):
            return
        try:
            with st.spinner("Sending…"):
                if not wish.at_once and self._differs(kept, wish):
                    st.rerun()
                job = session.backend().post(wish.path, wish.body, headers={"Idempotency-Key": kept["key"]})
        except BackendError as error:
            show.problem(error, key=f"{self.name}-send-problem")
            st.caption("Pressing the button again is safe: the same request is taken once.")
            return
        done()
        identity.forget()
        for key in (self._kept, f"{self.name}-typed"):
            st.session_state.pop(key, None)
        st.query_params["job"] = job["id"]
        st.rerun()

    def _differs(self, kept: dict[str, Any], wish: Wish) -> bool:
        """Whether something else would happen now than what was shown; if so, that is shown from now on."""
        now = session.backend().post("/hr/plan", {"records": [wish.record]})
        if _hashes(now) == _hashes(kept["preview"]):
            return False
        st.session_state[self._kept] = kept | {"preview": now, "changed": True}
        st.session_state.pop(f"{self.name}-typed", None)
        return True

    def outcome(self, again: str) -> bool:
        """Draws the job that the address names, and what comes next.

        Args:
            again: on the button that begins anew, as ``Hire somebody else``.

        Returns:
            Whether there is one: then the form is not drawn.
        """
        job_id = st.query_params.get("job", "")
        if not _JOB.match(job_id):
            return False
        st.subheader("What becomes of it", anchor=False)
        job = follow(job_id, key=f"{self.name}-job")
        if job is None:
            return True
        person = job.get("person")
        if person:
            self._next(person)
        st.button(again, key=f"{self.name}-again", on_click=self._anew, type="primary")
        return True

    def _next(self, person: str) -> None:
        try:
            known = identity.known(person, fresh=True)
        except BackendError as error:
            show.problem(error, key=f"{self.name}-next")
            return
        if known is None:
            return
        identity.card(known)
        scheduled(person, key=f"{self.name}-next")
        show.links(show.link(f"/people?person={part(person)}", f"Open the page of {identity.name(known)}"))

    def _anew(self) -> None:
        for name in ("job", "person"):
            st.query_params.pop(name, None)
        for key in (self._kept, f"{self.name}-typed", f"_tried_{self.name}"):
            st.session_state.pop(key, None)


def _hashes(preview: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(str(one["person"]), str((one.get("plan") or {}).get("hash"))) for one in plan.people_of(preview)]
