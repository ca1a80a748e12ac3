"""Errors as `application/problem+json` (RFC 9457) for programs; pages show the same in words."""

from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import Field

from gateway.api.models import ApiModel
from gateway.api.operations import RpcError

MEDIA_TYPE = "application/problem+json"


class ProblemDetails(ApiModel):
    """An error: the members of RFC 9457, and `text` and `how` as in every error of this gateway."""

    type: str = Field(
        "about:blank", description="`about:blank`: no more than the status.", examples=["about:blank"]
    )
    title: str = Field(description="The status, in words.", examples=["Not Found"])
    status: int = Field(description="The status.", examples=[404])
    code: str = Field(description="Code of the error.", examples=["unknown"])
    text: str = Field(description="Error in a plain sentence.", examples=["No such device."])
    how: str = Field("", description="Remedy.", examples=["borderpost devices"])


class HttpProblem(Exception):  # noqa: N818 - an answer, not a fault
    """Ends a request with that status; raised anywhere below a route."""

    def __init__(
        self, status: int, code: str, text: str, how: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers or {}
        self.details = ProblemDetails(
            title=HTTPStatus(status).phrase, status=status, code=code, text=text, how=how
        )


STATUS_OF_CODE = {
    "unknown": HTTPStatus.NOT_FOUND,
    "not_permitted": HTTPStatus.FORBIDDEN,
    "conflict": HTTPStatus.CONFLICT,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""HTTP status by the code of an RpcError."""


def from_rpc_error(refusal: RpcError) -> HttpProblem:
    """Return the problem for an error of the daemon."""
    return HttpProblem(STATUS_OF_CODE[refusal.code], refusal.code, refusal.text, refusal.how)


def to_response(problem: HttpProblem) -> JSONResponse:
    """Return the response for a program."""
    content = problem.details.model_dump()
    return JSONResponse(content, problem.status, problem.headers, media_type=MEDIA_TYPE)


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route for those statuses."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        int(status): {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }
