"""Operations on a whole group: replay retained events to it, or remove it."""
