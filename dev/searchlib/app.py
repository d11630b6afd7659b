"""The page and its JSON routes."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from flusso_query.errors import QueryError, RequestError
from searchlib.catalog import Catalog, asked

_PAGE = Path(__file__).with_name("page")


def application(catalog: Catalog) -> Starlette:
    """The routes: `/` for people; `/api/products`, `/api/products/{id}` and `/api/suggest` for programs."""

    # Not `async`: the client waits for OpenSearch, so each request has a thread.
    def products(request: Request) -> Response:
        parameters = request.query_params
        try:
            question = asked(parameters, parameters.getlist("tag"))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(catalog.page(question))

    def product(request: Request) -> Response:
        found = catalog.product(request.path_params["id"])
        if found is None:
            return JSONResponse({"error": "there is no such product"}, 404)
        return JSONResponse(found)

    def suggest(request: Request) -> Response:
        return JSONResponse(catalog.suggestions(request.query_params.get("q", "")))

    def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/api/products", products),
            Route("/api/products/{id:path}", product),
            Route("/api/suggest", suggest),
            Mount("/", StaticFiles(directory=_PAGE, html=True)),
        ],
        exception_handlers={QueryError: _failed},
    )


def _failed(_: Request, error: Exception) -> Response:
    """OpenSearch's own status where it gave one."""
    status = error.status if isinstance(error, RequestError) and error.status >= 400 else 502
    return JSONResponse({"error": str(error)}, status)
