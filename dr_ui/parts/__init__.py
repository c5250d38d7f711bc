"""Parts that several pages share: cards, charts, the viewer, the operating point."""
