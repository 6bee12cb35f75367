"""Write the committed schema anew. Run it when `ReportDocument` changed; raise the version when old readers break."""

from __future__ import annotations

from services.report.schema import PATH, current_text

PATH.write_text(current_text(), encoding="utf-8")
