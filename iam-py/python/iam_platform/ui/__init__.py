"""The web UI: an identity operations portal on Streamlit (extra ``ui``), which talks to the backend over HTTP only.

``iam-platform ui`` serves it; :func:`~iam_platform.ui.server.create_app` is the same as an ASGI application.
People sign in with Microsoft Entra ID; the backend decides with their access token what they may do.
"""
