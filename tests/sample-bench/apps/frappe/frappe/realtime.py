"""Events for the browser: published to `events` on the queue Redis, where socketio.js listens."""

import json

import redis

from frappe.context import local


def publish_realtime(event, message, room=None, user=None):
    """To a room, else to a user's own, else to everybody on the desk."""
    room = room or (f"user:{user}" if user else "all")
    payload = {"event": event, "message": message, "room": room, "namespace": local.site}
    try:
        redis.Redis.from_url(local.conf.redis_queue).publish("events", json.dumps(payload))
    except redis.exceptions.ConnectionError:
        pass


def publish_progress(percent, title=None, description=None):
    """To the user who is logged in; a job and a command are the Administrator's."""
    message = {"percent": percent, "title": title, "description": description}
    publish_realtime("progress", message, user=getattr(local, "user", None) or "Administrator")
