namespace MoDM.Bench.Indexing;

/// <summary>Keys in slots 0 to Count - 1 without holes: the last slot moves into one that is freed.</summary>
internal sealed class SlotMap(int capacity)
{
    private readonly int[] _keys = new int[capacity];
    private readonly Dictionary<int, int> _slots = new(capacity);

    public int Count => _slots.Count;

    public int KeyAt(int slot) => _keys[slot];

    public int Add(int key)
    {
        var slot = _slots.Count;
        _slots.Add(key, slot);
        _keys[slot] = key;
        return slot;
    }

    /// <summary>The freed slot, and the one whose content belongs there now (the same when it was the last).</summary>
    public (int Hole, int Last) Remove(int key)
    {
        if (!_slots.Remove(key, out var hole))
            throw new KeyNotFoundException($"Key {key} is not in the index.");
        var last = _slots.Count;
        if (hole != last)
        {
            _keys[hole] = _keys[last];
            _slots[_keys[hole]] = hole;
        }
        return (hole, last);
    }
}
