"""The schema's history, packaged with the code. `versions/` holds one file a step; a step that was released is never edited."""
