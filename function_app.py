"""The doors in Azure Functions: timer, queue and HTTP. What they lead to stands in `shared`."""

from __future__ import annotations

import azure.functions as func

from shared.web.functions import Doors

doors = Doors()
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.timer_trigger(arg_name="timer", schedule="0 * * * * *", run_on_startup=False, use_monitor=True)
def scheduled_syncs(timer: func.TimerRequest) -> None:
    """Every minute: start the syncs that are due, and nudge jobs that wait."""
    doors.every_minute()


@app.service_bus_queue_trigger(arg_name="message", queue_name="sync-jobs", connection="DYNSYNC_BUS")
def run_job(message: func.ServiceBusMessage) -> None:
    """Run or continue one slice of one job."""
    doors.run_job(message.get_body())


@app.service_bus_queue_trigger(
    arg_name="message", queue_name="sync-events", connection="DYNSYNC_BUS", is_sessions_enabled=True
)
async def apply_events(message: func.ServiceBusMessage) -> None:
    """Apply one message of real time, together with those that are in flight."""
    await doors.apply_event(message)


@app.route(trigger_arg_name="request", route="api/jobs", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def start_job(request: func.HttpRequest) -> func.HttpResponse:
    """Start a job with a function key."""
    return doors.answer(request, key=True)


@app.route(
    trigger_arg_name="request", route="api/webhooks/{sync}", methods=["POST"], auth_level=func.AuthLevel.FUNCTION
)
def receive_events(request: func.HttpRequest) -> func.HttpResponse:
    """Put what a webhook brings on the queue, with a function key."""
    return doors.answer(request, key=True)


# The host matches routes in the order of the functions' names, so this one, which takes everything, has to be the last.
# Source: https://github.com/Azure/azure-functions-host/issues/9876
@app.route(
    trigger_arg_name="request",
    route="{*path}",
    methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
    auth_level=func.AuthLevel.ANONYMOUS,
)
def web(request: func.HttpRequest) -> func.HttpResponse:
    """Every other request: the page and the API, for those whom App Service authentication names."""
    return doors.answer(request)
