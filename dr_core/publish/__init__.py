"""What is published of a study: the paper's claims with verdicts, the report, figures in one language of color."""
