"""Page of the contract, for developers of counters: every event and command, and the words for officers."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.console.auth.auth import Viewer
from gateway.console.web.templating import language_of, render

router = APIRouter(prefix="/contract", include_in_schema=False)


@router.get("")
async def contract(request: Request, user: Viewer) -> Response:
    """Show the messages as this version and its installed packages have them."""
    # Imported here: the other pages do not need the models of all messages.
    from drivers.packages.vocabularies import installed_vocabularies
    from gateway.contract.documents.answers import TRAVELLER_FIGURE, TRAVELLER_TEXT
    from gateway.contract.documents.catalogue import command_entries, event_entries
    from gateway.contract.registry import OURS
    from gateway.contract.vocabularies.vocabularies import VOCABULARIES

    vocabularies = [OURS, *(one.vocabulary for one in installed_vocabularies())]
    language = language_of(request)
    words = {
        name: [
            (word, getattr(entry.title, language), getattr(entry.sentence, language))
            for word, entry in sorted(entries.items())
        ]
        for name, entries in VOCABULARIES.items()
    }
    context = {
        "figure": TRAVELLER_FIGURE,
        "figure_text": TRAVELLER_TEXT,
        "events": event_entries(vocabularies),
        "commands": command_entries(vocabularies),
        "words": words,
    }
    return render(request, "contract.html", {"user": user} | context)
