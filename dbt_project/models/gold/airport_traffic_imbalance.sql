-- by the size of the difference, whichever way it goes
{{ ranked_answer(
    'airport_traffic_imbalance',
    ranked_by='abs(summed)',
    also={
        'outgoing_count': 'count(case when value > 0 then 1 end)',
        'incoming_count': 'count(case when value < 0 then 1 end)',
    },
) }}
