"""The paper's figures made again: one spec each, its statements judged by our numbers."""

from analysis.paper.gallery import gallery_text, write_gallery, write_page
from analysis.paper.numbers import NotRunError

__all__ = ["NotRunError", "gallery_text", "write_gallery", "write_page"]
