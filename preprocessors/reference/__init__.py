"""The reference: what there is, as tables, pages and JSON, made from the declarations."""
