"""One module per report format: `MEDIA_TYPE`, `EXTENSION` and `render(document: ReportDocument) -> bytes`. Pure."""
