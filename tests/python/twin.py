"""Sync and async classes by one story: what a call gives is awaited where it has to be."""

import asyncio


class Twin:
    """Runs calls of one of the two kinds of clients."""

    def __init__(self, kind):
        self.is_async = kind == "async"
        self._runner = asyncio.Runner() if self.is_async else None

    def close(self):
        if self._runner:
            self._runner.close()

    def of(self, sandbox, name):
        """A client of the sandbox: graph, arm or scim."""
        return getattr(sandbox, f"async_{name}" if self.is_async else name)()

    def made(self, module, name, *args, **kwargs):
        """An object of the class called so, or of its twin."""

        def make():
            return getattr(module, f"Async{name}" if self.is_async else name)(*args, **kwargs)

        async def inside():
            return make()

        return self._runner.run(inside()) if self.is_async else make()

    def do(self, call, *args, **kwargs):
        """The outcome of a call."""
        if not self.is_async:
            return call(*args, **kwargs)

        async def awaited():
            return await call(*args, **kwargs)

        return self._runner.run(awaited())

    def items(self, listing, most=None):
        """What a listing gives, one by one."""
        if not self.is_async:
            found = []
            for item in listing:
                found.append(item)
                if len(found) == most:
                    break
            return found

        async def collected():
            found = []
            async for item in listing:
                found.append(item)
                if len(found) == most:
                    break
            return found

        return self._runner.run(collected())

    def all(self, listing):
        """All that a listing gives, at once."""
        return self.do(listing.all)
