namespace MoDM.Planning;

/// <summary>
/// What is given up when the budget is not enough for the load, always in this order; a step includes those before it.
/// </summary>
public enum DegradeStep
{
    None,

    /// <summary>Hits go to a later small model of the document.</summary>
    SmallerModel,

    /// <summary>Hits skip as many steps as the next threshold of the document allows; its last one is the floor of quality.</summary>
    HigherSkip,

    /// <summary>Misses for which no large worker is free are drawn from noise by a small one.</summary>
    SmallForMisses,

    /// <summary>What cannot be served within the SLO is refused with 429; everything else is still drawn.</summary>
    Refuse,
}
