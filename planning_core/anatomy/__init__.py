"""Vertebrae found, named, cut into parts and measured."""
